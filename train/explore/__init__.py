"""A page to play with: a day's market answers as its charge, prices, batteries and rules are moved.

============== ===========================================================================================
``problem``    what is looked at: a day of a community under a tariff, with more or less storage
``played``     what a charge led to, beside what prosumers have alone
``tables``     the numbers that the page draws, as arrays
``reading``    what is typed into the page, read and refused in the words of the command line
``by_hand``    the hourly game, played by hand
``proofs``     what takes longer: the certified optimum and its curve
``leaders``    what leaders post on the day, and the best found for the hourly game
``background`` the processes that work these out, and give up what nobody waits for any more
``figures/``   the pictures
``day_page``   the page of a day
``hour_page``  the page of the hourly game
``server``     what serves both
============== ===========================================================================================
"""
