"""Small reference models, one for each task; users bring their own."""
