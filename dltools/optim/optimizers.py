"""The optimizers of torch, by name.

Left out, for one loss and one `backward` to each step cannot drive them over all parameters of a model: `LBFGS`
(wants a closure), `SparseAdam` (sparse gradients only) and `Muon` (matrices only).
"""

from __future__ import annotations

from dltools.cfgutils import foreign

foreign("optim", "adadelta", "torch.optim.Adadelta", "Steps scaled by running averages of steps and gradients.")
foreign("optim", "adafactor", "torch.optim.Adafactor", "Adam with factored second moments: little memory.")
foreign("optim", "adagrad", "torch.optim.Adagrad", "Steps shrink with the sum of squared gradients.")
foreign("optim", "adam", "torch.optim.Adam", "Adaptive moments; weight decay is part of the gradient.")
foreign(
    "optim", "adamw", "torch.optim.AdamW", "Adam with decoupled weight decay; the default.", lr=1e-3, weight_decay=0.05
)
foreign("optim", "adamax", "torch.optim.Adamax", "Adam with the infinity norm for the second moment.")
foreign("optim", "asgd", "torch.optim.ASGD", "SGD that also keeps an average of the weights.")
foreign("optim", "nadam", "torch.optim.NAdam", "Adam with Nesterov momentum.")
foreign("optim", "radam", "torch.optim.RAdam", "Adam that rectifies the variance of its first steps.")
foreign("optim", "rmsprop", "torch.optim.RMSprop", "Steps divided by the running root mean square of the gradient.")
foreign("optim", "rprop", "torch.optim.Rprop", "Steps by the sign of the gradient; for full batches.")
foreign(
    "optim",
    "sgd",
    "torch.optim.SGD",
    "Stochastic gradient descent with Nesterov momentum.",
    lr=0.1,
    momentum=0.9,
    nesterov=True,
    weight_decay=1e-4,
)
