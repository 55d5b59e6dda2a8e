"""Pictures in and out: a file or its bytes to RGB uint8, and back; the walk through a folder."""

from shitu.images.decode import MAX_PIXELS, Image, as_image, load_image, max_pixels
from shitu.images.encode import WRITTEN, encode_jpeg, encode_png, save_image, thumbnail
from shitu.images.files import EXTENSIONS, find_images, read_bytes
from shitu.images.names import display_path, natural_key

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "WRITTEN",
    "Image",
    "as_image",
    "display_path",
    "encode_jpeg",
    "encode_png",
    "find_images",
    "load_image",
    "max_pixels",
    "natural_key",
    "read_bytes",
    "save_image",
    "thumbnail",
]
