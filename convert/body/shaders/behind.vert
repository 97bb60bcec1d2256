#version 330
in vec2 corner;
out vec2 across;
void main() { gl_Position = vec4(corner, 1.0, 1.0), across = corner * 0.5 + 0.5; }
