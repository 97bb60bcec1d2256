"""Training: a recipe file and a COCO-format folder to a float checkpoint of the model family."""
