"""The pictures of the page, each a Bokeh figure with the sources that are filled anew."""
