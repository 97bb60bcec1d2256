#version 330
uniform mat4 clip;
in vec3 place;
void main() { gl_Position = clip * vec4(place, 1.0); }
