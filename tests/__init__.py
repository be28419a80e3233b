"""The tests mirror the packages: tests/model judges model, and so on."""
