"""Comparing algorithms: communities × information classes × seeds × algorithms, each combination a *cell* with files of its own.

==================  ====================================================================================================================
module              what it does
==================  ====================================================================================================================
``plan``            reads the file that says what is compared
``tuned``           settings from the files of ``gridtoll tune``
``sources``         hashes of the source of users' own algorithms
``cells``           what defines a cell, and the files it consists of
``running``         runs one cell: learns, scores on test days, writes down what came of it or why it failed
``folder``          the folder of a comparison: what it was begun with, and who is at work in it
``grid``            runs the cells that are not there yet, side by side, here or on a Ray cluster
``summary``         counts the cells, and gives a first look at the results
==================  ====================================================================================================================
"""
