#version 330
uniform mat4 clip, model;
in vec3 corner;
out float depth;
void main() { gl_Position = clip * (model * vec4(corner, 1.0)), depth = gl_Position.w; }
