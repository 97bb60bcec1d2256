uniform vec3 first_tone, second_tone;
uniform vec4 stuff;  // pattern, size, gloss, grain
in vec3 world, way, where;
out vec4 colour;
void main() {
    float share = pattern(int(stuff.x), stuff.y, where.xz + where.yy, where);
    vec3 tone = mix(first_tone, second_tone, share) * (1.0 - stuff.w * noise(where * vec3(8.0, 90.0, 90.0)));
    colour = shown(shaded(tone, world, normalize(way), stuff.z, 0.0));
}
