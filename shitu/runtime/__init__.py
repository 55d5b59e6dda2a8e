"""Engines that run exported networks."""
