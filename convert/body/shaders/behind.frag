// The picture behind the people, or a room; both take the people's shadows on the floor.
uniform sampler2D photograph;
uniform mat4 unclip;
uniform bool room;
uniform vec3 low, high;                     // the room's corners
uniform vec3 wall, wall2, tiles, tiles2;    // colours
uniform vec4 walls, floors;                 // pattern, size, gloss, grain
uniform vec4 hung[6];                       // on the walls: place along, height, half width, half height
uniform vec3 hung_tone[6];
uniform float shadow;
uniform vec3 contact[16];                   // joints near the floor, which darken it under them
in vec2 across;
out vec4 colour;

float touched(vec3 at) {
    float dark = 0.0;
    for (int i = 0; i < 16; i++) {
        vec3 off = contact[i] - at;
        dark = max(dark, exp(-dot(off.xy, off.xy) / 0.03 - 3.0 * abs(off.z)));
    }
    return 1.0 - 0.5 * dark;
}

vec3 inside(vec3 from, vec3 way) {
    vec3 far = mix(low, high, step(0.0, way));
    vec3 t = (far - from) / way;
    float near = min(t.x, min(t.y, t.z));
    vec3 at = from + way * near;
    vec3 normal = -sign(way) * vec3(equal(t, vec3(near)));
    vec3 tone;
    if (abs(normal.z) > 0.5) {
        tone = normal.z > 0.0 ? mix(tiles, tiles2, pattern(int(floors.x), floors.y, at.xy, at)) : vec3(0.85);
        tone *= 1.0 - floors.w * noise(at * vec3(5.0, 60.0, 1.0)) * step(0.0, normal.z);
        if (normal.z > 0.0) tone *= touched(at);
    } else {
        vec2 q = vec2(abs(normal.x) > 0.5 ? at.y : at.x, at.z);
        tone = mix(wall, wall2, pattern(int(walls.x), walls.y, q, at)) * (0.93 + 0.07 * noise(at * 3.0));
        for (int i = 0; i < 6; i++) {
            vec2 off = abs(q - hung[i].xy) - hung[i].zw;
            float side = max(off.x, off.y);
            if (side < 0.0) tone = side > -0.03 ? hung_tone[i].zxy * 0.4 : hung_tone[i] * (0.6 + 0.8 * noise(vec3(q * 5.0, float(i))));
        }
        if (at.z < 0.09) tone = mix(tone, wall2, 0.7) * 0.8;
    }
    vec3 edge = min(at - low, high - at);
    float corner = 1.0 - 0.35 * exp(-4.0 * (edge.x + edge.y + edge.z - max(edge.x, max(edge.y, edge.z))));
    return shown(shaded(tone, at, normal, floors.z * step(0.5, normal.z), 0.0) * corner).rgb;
}

void main() {
    vec4 there = unclip * vec4(across * 2.0 - 1.0, 1.0, 1.0);
    vec3 way = normalize(there.xyz / there.w - eye);
    if (room) {
        colour = vec4(inside(eye, way), 1.0);
        return;
    }
    colour = texture(photograph, across);
    if (way.z < -0.01) {
        vec3 at = eye - way * eye.z / way.z;
        colour.rgb *= (1.0 - shadow * (1.0 - lit(at, vec3(0, 0, 1)))) * mix(1.0, touched(at), shadow * 1.5);
    }
}
