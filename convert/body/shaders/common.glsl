#version 330
// Noise, cloth patterns and light, shared by everything that is drawn.
uniform vec3 sun_way, sun, sky, floor_light, eye;
uniform mat4 sun_clip;
uniform sampler2D sun_depth;
uniform float soft;

float hash(vec3 p) {
    p = fract(p * vec3(0.1031, 0.1030, 0.0973));
    p += dot(p, p.yxz + 33.33);
    return fract((p.x + p.y) * p.z);
}

float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    vec4 low = vec4(hash(i), hash(i + vec3(1, 0, 0)), hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)));
    i.z += 1.0;
    vec4 high = vec4(hash(i), hash(i + vec3(1, 0, 0)), hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)));
    vec4 at = mix(low, high, f.z);
    vec2 row = mix(at.xz, at.yw, f.x);
    return mix(row.x, row.y, f.y);
}

// How much of a pattern's second colour there is; q in metres on the cloth, p the place in space for the noisy ones.
float pattern(int kind, float size, vec2 q, vec3 p) {
    vec2 cell = fract(q / size);
    if (kind == 1) return step(0.5, cell.y);
    if (kind == 2) return step(0.5, cell.x);
    if (kind == 3) return 0.5 * (step(0.5, cell.x) + step(0.5, cell.y));
    if (kind == 4) return smoothstep(0.48, 0.52, noise(p / size) * 0.7 + noise(p / size * 2.3) * 0.3);
    if (kind == 5) return 1.0 - smoothstep(0.2, 0.24, length(cell - 0.5));
    if (kind == 6) return max(step(0.92, cell.x), step(0.92, cell.y));
    if (kind == 7) return 0.6 * noise(vec3(q, 0.0) * 900.0) + 0.4 * noise(p * 9.0);
    if (kind == 8) return abs(q.x) < size * 1.6 && abs(q.y - 0.30) < size && p.y < 0.0 ? step(0.45, noise(vec3(q * 2.2 / size, 7.0))) : 0.0;
    return 0.0;
}

float lit(vec3 world, vec3 normal) {
    vec4 at = sun_clip * vec4(world + normal * 0.012, 1.0);
    vec3 place = at.xyz / at.w * 0.5 + 0.5;
    if (any(lessThan(place, vec3(0.0))) || any(greaterThan(place, vec3(1.0)))) return 1.0;
    float open = 0.0;
    for (int i = 0; i < 6; i++) {
        float turn = float(i) * 2.4 + hash(world * 517.0) * 6.28, reach = soft * sqrt((float(i) + 0.5) / 6.0);
        open += step(place.z - 0.0015, texture(sun_depth, place.xy + reach * vec2(cos(turn), sin(turn))).r);
    }
    return open / 6.0;
}

vec3 shaded(vec3 colour, vec3 world, vec3 normal, float gloss, float wrap) {
    vec3 to_eye = normalize(eye - world);
    float facing = max((dot(normal, sun_way) + wrap) / (1.0 + wrap), 0.0);
    float open = facing > 0.0 ? lit(world, normal) : 0.0;
    vec3 around = mix(floor_light, sky, 0.5 + 0.5 * normal.z) * (0.75 + 0.25 * dot(normal, to_eye));
    float shine = pow(max(dot(normal, normalize(sun_way + to_eye)), 0.0), mix(8.0, 60.0, gloss));
    float rim = pow(1.0 - max(dot(normal, to_eye), 0.0), 4.0);
    return colour * (around + sun * facing * open) + gloss * (sun * shine * open * 0.35 + sky * rim * 0.4);
}

vec4 shown(vec3 light) {
    light = light / (1.0 + 0.18 * light);
    return vec4(pow(clamp(light, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
