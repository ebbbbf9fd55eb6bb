"""Run and measure: plain functions, usable from Python without the command line."""
