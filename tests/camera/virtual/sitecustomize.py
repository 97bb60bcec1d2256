"""Puts virtual hardware under the real Picamera2 as soon as somebody imports it."""

import importlib.util
import sys


class AfterPicamera2:
    """Finds the real package and patches it when its import is done."""

    def find_spec(self, name, path=None, target=None):
        if name != "picamera2":
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            import hardware

            hardware.install(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, AfterPicamera2())
