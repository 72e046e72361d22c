"""Parts that all models share: folders, devices, batches, training, processes, packed weights, the output head."""
