"""Change neurons of a version, let it write again, and compare with matched control sets of neurons."""
