"""Scenes to pictures and exact labels with OpenGL and no screen: `moderngl` on EGL, which Mesa's llvmpipe draws on the CPU."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask.convert.body import camera
from edgemask.convert.body.scene import Room, Scene, shown
from edgemask.convert.body.surface import Surface
from edgemask.errors import MissingLibrary

LONGEST, DETAIL, SHADOWS = 448, 2, 512  # Colours are drawn DETAIL times as large and then made smaller: soft edges.
CUBE = np.array([(-1, 1, 1), (-1, -1, 1), (1, 1, 1), (1, -1, 1)], np.float32)


@dataclass(frozen=True)
class Drawn:
    """rgb uint8 [H, W, 3]; who int [H, W], the body's place in the scene + 1 (0: nobody); part int [H, W]; u, v float32 [H, W];
    depth float32 [H, W] in metres along the optical axis, 0 where nothing stands before the background."""

    rgb: np.ndarray
    who: np.ndarray
    part: np.ndarray
    u: np.ndarray
    v: np.ndarray
    depth: np.ndarray


def context():
    """An OpenGL context of this process; MissingLibrary without moderngl or EGL."""
    try:
        import moderngl

        return moderngl.create_context(standalone=True, backend="egl", require=330)
    except ImportError as error:
        raise MissingLibrary(f"drawing people needs {error.name}: pip install 'edgemask[body]'") from error
    except Exception as error:
        raise MissingLibrary("drawing people needs EGL: apt install libegl1 libgl1-mesa-dri libgles2") from error


class Renderer:
    """Buffers and programs that are made once and draw any number of scenes of up to 448 pixels.

    >>> renderer = Renderer()
    >>> drawn = renderer.draw(scene)
    """

    def __init__(self):
        self.gl = gl = context()
        surface = Surface.load()
        side = LONGEST * DETAIL
        self.colour = gl.framebuffer([gl.texture((side, side), 3)], gl.depth_renderbuffer((side, side)))
        self.label = gl.framebuffer([gl.texture((LONGEST, LONGEST), 4, dtype="f4")], gl.depth_renderbuffer((LONGEST, LONGEST)))
        self.sun_depth = gl.depth_texture((SHADOWS, SHADOWS))
        self.sun_depth.compare_func, self.sun_depth.repeat_x, self.sun_depth.repeat_y = "", False, False
        self.sun = gl.framebuffer(depth_attachment=self.sun_depth)
        self.programs = {name: gl.program(*_sources(name)) for name in ("person", "label", "box", "behind", "shade", "hide")}
        fixed = np.hstack([surface.label, surface.rest[surface.vertex], surface.zone[surface.vertex]])
        self.fixed = gl.buffer(np.ascontiguousarray(fixed, np.float32).tobytes())
        self.triangles = gl.buffer(surface.triangles.tobytes())
        self.moving, self.arrays = [], []
        self.boxes = {name: self._cube(name, format, names) for name, format, names in (
            ("box", "3f 3f", ("corner", "normal")), ("hide", "3f 12x", ("corner",)))}  # fmt: skip
        self.behind = gl.vertex_array(
            self.programs["behind"], [(gl.buffer(np.array([-1, -1, 3, -1, -1, 3], np.float32).tobytes()), "2f", "corner")]
        )

    def _cube(self, name, format, names):
        sides = []
        for axis in range(3):
            for sign in (-1, 1):
                corners = np.roll(CUBE * [1, 1, sign], axis + 1, axis=1)
                normal = np.tile(np.roll([0, 0, sign], axis + 1), (4, 1))
                sides.append(np.hstack([corners, normal])[[0, 1, 2, 2, 1, 3]])
        buffer = self.gl.buffer(np.concatenate(sides).astype(np.float32).tobytes())
        return self.gl.vertex_array(self.programs[name], [(buffer, format, *names)])

    def _arrays(self, count):
        """Vertex arrays for so many bodies; a body's three programs read the same buffers."""
        while len(self.moving) < count:
            moving = self.gl.buffer(reserve=len(Surface.load().vertex) * 8 * 4, dynamic=True)
            self.moving.append(moving)
            self.arrays.append({
                "person": self._array("person", (moving, "3f 3f 2f", "place", "normal", "extra"),
                                      (self.fixed, "12x 3f 4f", "rest", "zone")),
                "label": self._array("label", (moving, "3f 20x", "place"), (self.fixed, "3f 28x", "label")),
                "shade": self._array("shade", (moving, "3f 20x", "place")),
            })  # fmt: skip
        return self.arrays[:count]

    def _array(self, name, *content):
        return self.gl.vertex_array(self.programs[name], list(content), index_buffer=self.triangles)

    def draw(self, scene: Scene) -> Drawn:
        """The scene's picture and labels."""
        surface = Surface.load()
        arrays = self._arrays(len(scene.bodies))
        for buffer, (vertices, normals, extra) in zip(self.moving, shown(scene)):
            content = np.hstack([vertices, normals, extra])
            buffer.write(np.ascontiguousarray(content[surface.vertex]).tobytes())
        self.gl.enable(self.gl.DEPTH_TEST)
        found = self._labels(scene, arrays)
        rgb = self._colours(scene, arrays)
        code = np.rint(found[..., 0]).astype(np.int32)
        return Drawn(rgb, code // 32, code % 32, found[..., 1], found[..., 2], found[..., 3])

    def _labels(self, scene, arrays):
        width, height = scene.camera.width, scene.camera.height
        self.label.use()
        self.label.viewport = (0, 0, width, height)
        self.label.clear(0, 0, 0, 0, depth=1)
        _set(self.programs["label"], clip=scene.camera.clip())
        for number, array in enumerate(arrays, 1):
            _set(self.programs["label"], person=number)
            array["label"].render()
        _set(self.programs["hide"], clip=scene.camera.clip())
        for box in scene.boxes:
            _set(self.programs["hide"], model=box.model)
            self.boxes["hide"].render()
        return np.frombuffer(self.label.read((0, 0, width, height), 4, dtype="f4"), np.float32).reshape(height, width, 4)

    def _shadows(self, scene, arrays):
        """The depth map the light sees; its world-to-clip matrix."""
        clip = _sun_clip(scene)
        self.sun.use()
        self.sun.clear(depth=1)
        _set(self.programs["shade"], clip=clip)
        for array in arrays:
            array["shade"].render()
        return clip

    def _colours(self, scene, arrays):
        import cv2

        width, height = DETAIL * scene.camera.width, DETAIL * scene.camera.height
        light, eye = scene.light, scene.camera.position
        common = {"sun_clip": self._shadows(scene, arrays), "sun_way": light.way, "sun": light.sun, "sky": light.sky,
                  "floor_light": light.floor_light, "eye": eye, "contact": _contacts(scene), "soft": light.soft,
                  "clip": scene.camera.clip(), "sun_depth": 0}  # fmt: skip
        self.colour.use()
        self.colour.viewport = (0, 0, width, height)
        self.colour.clear(depth=1)
        self.sun_depth.use(0)
        self._behind(scene, common)
        for body, array in zip(scene.bodies, arrays):
            _set(self.programs["person"], **common, **_worn(body.person.look))
            array["person"].render()
        for box in scene.boxes:
            tones = {"first_tone": box.tones[0], "second_tone": box.tones[1]}
            _set(self.programs["box"], **common, **tones, model=box.model, stuff=box.stuff)
            self.boxes["box"].render()
        large = np.frombuffer(self.colour.read((0, 0, width, height), 3, alignment=1), np.uint8).reshape(height, width, 3)
        return cv2.resize(large, (scene.camera.width, scene.camera.height), interpolation=cv2.INTER_AREA)

    def _behind(self, scene, common):
        room = scene.behind if isinstance(scene.behind, Room) else None
        photograph = None
        given = {"unclip": np.linalg.inv(scene.camera.clip()), "room": bool(room), "shadow": scene.light.shadow, "photograph": 1}
        if room:
            given |= {name: getattr(room, name) for name in ("low", "high", "walls", "floors", "hung", "hung_tone")}
            given |= dict(zip(("wall", "wall2", "tiles", "tiles2"), room.tones))
        else:
            photograph = self.gl.texture(scene.behind.shape[1::-1], 3, np.ascontiguousarray(scene.behind).tobytes(), alignment=1)
            photograph.repeat_x = photograph.repeat_y = False
            photograph.use(1)
        _set(self.programs["behind"], **common, **given)
        self.gl.disable(self.gl.DEPTH_TEST)
        self.behind.render()
        self.gl.enable(self.gl.DEPTH_TEST)
        if photograph:
            photograph.release()


def _sources(name):
    folder = Path(__file__).with_name("shaders")
    common = (folder / "common.glsl").read_text()
    fragment = (folder / f"{name}.frag").read_text()
    return (folder / f"{name}.vert").read_text(), fragment if fragment.startswith("#version") else common + fragment


def _set(program, **values):
    """Uniforms by name; one that a program has no use for is passed over, as compilers drop those too."""
    for name, value in values.items():
        if name in program:
            if isinstance(value, (bool, int)):
                program[name].value = value
            else:
                value = np.asarray(value, np.float32)
                program[name].write(np.ascontiguousarray(value.T if value.shape == (4, 4) and _matrix(name) else value).tobytes())


def _matrix(name):
    return name.endswith(("clip", "model"))


def _worn(look):
    same = {name: getattr(look, name) for name in ("skin", "lips", "iris", "first", "second", "cloth", "salt", "beard")}
    return same | {
        "cut": (look.waist, look.sleeve, look.trouser, look.neck),
        "cut2": (look.shoe, look.sock, look.opening, look.vee),
    }


def _contacts(scene):
    """Where bodies are nearest to the floor, four joints of each: [16, 3], far away where there are none."""
    lowest = [body.keypoints[np.argsort(body.keypoints[:, 2])[:4]] for body in scene.bodies[:4]]
    return np.vstack([*lowest, np.full((16, 3), 1e3)])[:16]


def _sun_clip(scene):
    points = np.vstack([np.zeros((1, 3)), *(body.vertices[::20] for body in scene.bodies)])
    centre = (points.min(0) + points.max(0)) / 2
    radius = np.linalg.norm(points - centre, axis=1).max() + 0.1
    clip = np.eye(4)
    clip[:3, :3] = camera.looking(scene.light.way, np.zeros(3), 0.0) / radius
    clip[:3, 3] = -clip[:3, :3] @ centre
    return clip
