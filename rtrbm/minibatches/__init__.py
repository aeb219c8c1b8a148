"""From users' data to rows: sequences as packed blocks, and minibatches of them."""
