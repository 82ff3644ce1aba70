"""mini-MUSIC: classes, phrases rendered from soundfonts, drawings, mixtures; and folders of one's
own.
"""
