"""From examples to an adapter: rows with a loss mask, batches of like length, the trainer, and the merged model."""
