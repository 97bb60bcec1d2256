#version 330
uniform mat4 clip, model;
in vec3 corner, normal;
out vec3 world, way, where;
void main() {
    vec4 at = model * vec4(corner, 1.0);
    gl_Position = clip * at;
    world = at.xyz, way = mat3(model) * normal, where = vec3(length(model[0]), length(model[1]), length(model[2])) * corner;
}
