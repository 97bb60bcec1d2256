"""Stands in for the display library that Picamera2 imports whether or not there is a display."""


class _AnyFormat:
    def __getattr__(self, name):
        return name


PixelFormat, Card, ResourceManager = _AnyFormat(), None, None
