"""What the browser shows, one module for each part of the screen. Needs NiceGUI."""
