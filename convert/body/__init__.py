"""Where on a body's surface: an atlas of 24 parts with their charts, and distances along the skin."""
