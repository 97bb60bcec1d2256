// zoned: how far along the arm (shoulder 0, elbow 1, wrist 2), along the leg (hip 0, knee 1, ankle 2), eyeball.
uniform vec3 skin, lips, iris;
uniform vec3 first[6], second[6];  // top, bottom, shoes, socks, hair, what an open jacket shows
uniform vec4 cloth[6];             // pattern, size, gloss, folds
uniform vec4 cut;                  // waist, sleeve, trouser leg, neckline
uniform vec4 cut2;                 // shoe, sock, half width of the opening, depth of the V
uniform vec3 salt;
uniform float beard;
in vec3 world, way, where;
in vec4 zoned;
in float strand, crease;
out vec4 colour;

int garment(vec3 p) {
    float rough = 0.004 * (noise(p * 160.0 + salt) - 0.5);
    bool arm = zoned.x > 0.0, leg = zoned.y > 0.0;
    if (strand + rough * 3.0 > 0.0) return 4;
    if (zoned.y > cut2.x) return 2;
    if (!arm && p.z < cut.x && zoned.y < cut.z + rough) return 1;
    if (zoned.y > cut2.y) return 3;
    float neck = cut.w + 0.6 * p.y + 2.0 * max(abs(p.x) - 0.07, 0.0) - (p.y < 0.0 ? max(cut2.w - abs(p.x) * 1.4, 0.0) : 0.0);
    if ((arm || p.z >= cut.x) && zoned.x < cut.y + rough && p.z < neck) return p.y < 0.0 && !arm && abs(p.x) < cut2.z * (0.4 + p.z * 1.4) ? 5 : 0;
    return -1;
}

vec3 bare(vec3 p) {
    float blotch = noise(p * 28.0 + salt) - 0.5, fine = noise(p * 240.0) - 0.5;
    vec3 tone = skin * (1.0 + 0.16 * blotch + 0.10 * fine);
    tone *= mix(vec3(1.0), vec3(1.06, 0.92, 0.90), smoothstep(0.5, 1.0, noise(p * 12.0 - salt)));
    if (p.z < 0.5) return tone;
    vec2 eyes = vec2(abs(p.x) - 0.031, p.z - 0.651);
    if (p.y < -0.06) {
        tone = mix(tone, lips, 1.0 - smoothstep(0.7, 1.15, length(vec2(p.x / 0.024, (p.z - 0.580) / 0.009))));
        tone = mix(tone, first[4] * 0.6, 0.8 * (1.0 - smoothstep(0.6, 1.1, length((eyes - vec2(0.002, 0.021)) / vec2(0.021, 0.0045)))));
        tone *= 1.0 - 0.25 * (1.0 - smoothstep(0.5, 1.2, length(eyes / vec2(0.02, 0.011))));
        tone = mix(tone, tone * vec3(1.08, 0.86, 0.84), 0.6 * (1.0 - smoothstep(0.3, 1.0, length((eyes + vec2(-0.012, 0.045)) / 0.025))));
    }
    float high = 0.592 + 0.45 * max(p.y + 0.105, 0.0) + 0.006 * noise(p * 90.0);
    float chin = (1.0 - smoothstep(high - 0.008, high + 0.008, p.z)) * smoothstep(0.525, 0.54, p.z) * (1.0 - smoothstep(-0.03, -0.015, p.y));
    return mix(tone, first[4] * (0.6 + 0.8 * noise(p * 300.0)), beard * chin * (0.7 + 0.3 * noise(p * 200.0)));
}

void main() {
    vec3 p = where, normal = normalize(way);
    int worn = garment(p);
    vec3 tone;
    float gloss = 0.25, wrap = 0.25;
    if (zoned.z > 0.5) {
        float off = length(vec2(abs(p.x) - 0.031, p.z - 0.651));
        tone = off < 0.0028 ? vec3(0.02) : off < 0.0062 ? iris : vec3(0.5, 0.47, 0.45);
        gloss = 0.6;
    } else if (worn < 0) {
        tone = bare(p);
    } else {
        bool arm = zoned.x > 0.0;
        vec2 q = arm ? vec2(p.y * 1.3, zoned.x * 0.28) : vec2(p.x + 0.6 * p.y, p.z);
        float share = pattern(int(cloth[worn].x), cloth[worn].y, q, p + salt);
        tone = mix(first[worn], second[worn], share);
        float fold = noise(p * vec3(14.0, 14.0, 9.0) + salt), ripple = noise(p * 38.0 - salt);
        vec3 bump = vec3(fold, ripple, noise(p * 21.0 + salt.zxy)) - 0.5;
        normal = normalize(normal + cloth[worn].w * bump);
        tone *= 1.0 - 0.35 * cloth[worn].w * ripple;
        if (worn == 4) tone *= 0.55 + 0.9 * noise(vec3(p.xy * 220.0, p.z * 26.0) + salt);
        if (worn == 0 && abs(p.x) < 0.0035 && p.y < 0.0 && cloth[0].w > 0.55 && !arm) tone *= 0.5;
        gloss = cloth[worn].z;
    }
    colour = shown(shaded(tone, world, normal, gloss, wrap) * (1.0 - 0.6 * crease));
}
