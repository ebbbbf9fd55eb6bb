"""Find a challenger, and compare it with what serves, night after night."""
