"""The files that Keras saves a model in."""

from pathlib import Path

SAVED = ("model.keras", "model.h5", "model.weights.h5")


def save(model, path: Path) -> Path:
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path
