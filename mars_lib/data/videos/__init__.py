"""From downloaded videos to a data set: decoding, preparing, and the lists of what is there."""
