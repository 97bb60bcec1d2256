#version 330
uniform int person;
in vec3 chart;
in float depth;
out vec4 found;
// Part and person in one number: 32 parts a person; then U, V and the depth in metres.
void main() { found = vec4(round(chart.x) + 32.0 * float(person), chart.yz, depth); }
