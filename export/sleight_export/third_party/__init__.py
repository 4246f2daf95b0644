"""Policies that were trained elsewhere: an ONNX file and a description become a bundle."""
