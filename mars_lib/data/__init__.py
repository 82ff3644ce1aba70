"""mini-MUSIC, rendered from soundfonts; recordings and videos of one's own; mixtures of both."""
