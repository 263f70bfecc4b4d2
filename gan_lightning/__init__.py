"""GAN experiments on PyTorch Lightning: any model × loss × data, composed by Hydra, read in TensorBoard."""
