#version 330
uniform mat4 clip;
in vec3 place, normal;
in vec2 extra;
in vec3 rest;
in vec4 zone;
out vec3 world, way, where;
out vec4 zoned;
out float strand, crease;
void main() {
    gl_Position = clip * vec4(place, 1.0);
    world = place, way = normal, where = rest, zoned = zone, strand = extra.x, crease = extra.y;
}
