"""The page without Bokeh: what is looked at, what a charge led to, and the numbers that are drawn."""
