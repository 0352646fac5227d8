"""BERT on CPUs: train a model from a configuration file, fill in words, embed, classify and label texts.

    run = cloze.train("run.yaml")
    with cloze.Model.open(run) as model:
        print(model.fill("how are [MASK] doing?")[0][0].token)

Functions fail with cloze.Error and the message of the library. Calls release Python's global lock, and their work runs on all
cores; the environment variable OMP_NUM_THREADS limits them.
"""

from ._library import Error
from ._model import Candidate, Label, Model
from ._train import Step, train
from ._trainer import Losses, Trainer
from ._version import __version__

__all__ = ["Candidate", "Error", "Label", "Losses", "Model", "Step", "Trainer", "train", "__version__"]
