"""Drawings as SVG: two constructions a class, and renderings that colour them."""
