"""Renders the sample gallery: invented products, photographed by a small software camera."""
