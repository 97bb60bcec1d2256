"""A posed body's parts and charts as a camera sees them, exact to the pixel, with OpenGL and without a screen."""

import numpy as np

from edgemask.convert.body.atlas import Atlas
from edgemask.convert.body.draw import context

NEAR, FAR = 0.05, 60.0  # metres
VERTEX = """#version 330
uniform mat4 clip;
in vec3 place, label;
out vec3 chart;
void main() { gl_Position = clip * vec4(place, 1.0), chart = label; }
"""
FRAGMENT = """#version 330
in vec3 chart;
out vec4 found;
void main() { found = vec4(round(chart.x), clamp(chart.yz, 0.0, 1.0), 1.0); }
"""


class LabelRenderer:
    """Buffers and a program that are made once and draw any number of bodies.

    >>> part, u, v = LabelRenderer()(vertices, 500.0, (640, 480))
    """

    def __init__(self):
        self.gl = context()
        atlas = Atlas.load()
        self.corners = atlas.faces.reshape(-1)
        label = np.concatenate([np.repeat(atlas.part, 3)[:, None], atlas.uv.reshape(-1, 2)], axis=1).astype(np.float32)
        self.program = self.gl.program(VERTEX, FRAGMENT)
        self.places = self.gl.buffer(reserve=label.nbytes, dynamic=True)
        content = [(self.places, "3f", "place"), (self.gl.buffer(label.tobytes()), "3f", "label")]
        self.array = self.gl.vertex_array(self.program, content)

    def __call__(self, vertices: np.ndarray, focal: float, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(part uint8 [H, W], u float32 [H, W], v float32 [H, W]) of a body; part 0 is no body.

        vertices: [13718, 3] in metres in the camera's axes (x right, y down, z ahead); focal: pixels; size: width, height; the
        optical axis is in the picture's middle. A triangle behind NEAR or across it is cut there.
        """
        width, height = size
        clip = np.zeros((4, 4), np.float32)
        clip[0, 0], clip[1, 1], clip[3, 2] = 2 * focal / width, 2 * focal / height, 1
        clip[2, 2:] = (FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        self.program["clip"].write(np.ascontiguousarray(clip.T).tobytes())
        self.places.write(np.ascontiguousarray(vertices[self.corners], np.float32).tobytes())
        target = self.gl.framebuffer([self.gl.texture(size, 4, dtype="f4")], self.gl.depth_renderbuffer(size))
        target.use()
        target.clear()
        self.gl.enable(self.gl.DEPTH_TEST)
        self.array.render()
        found = np.frombuffer(target.read(components=4, dtype="f4"), np.float32).reshape(height, width, 4)
        for one in (*target.color_attachments, target.depth_attachment, target):
            one.release()
        return found[..., 0].astype(np.uint8), found[..., 1], found[..., 2]
