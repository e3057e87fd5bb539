"""TensorFlow Lite files: networks out of them and into them."""
