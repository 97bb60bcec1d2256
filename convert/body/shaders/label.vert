#version 330
uniform mat4 clip;
in vec3 place, label;
out vec3 chart;
out float depth;
void main() {
    gl_Position = clip * vec4(place, 1.0);
    chart = label, depth = gl_Position.w;
}
