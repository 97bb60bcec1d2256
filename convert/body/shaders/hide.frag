#version 330
in float depth;
out vec4 found;
// Something that is nobody: no part, no person, but in the way.
void main() { found = vec4(0.0, 0.0, 0.0, depth); }
