"""From a gradient to parameters: updates, optimisers, files, several processes."""
