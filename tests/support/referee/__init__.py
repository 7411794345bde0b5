"""An independent referee: it reads a day's raw data and an answer, and says how far the answer can be from the truth.

It shares no arithmetic with what it judges. :mod:`.program` writes the followers' program down from the model's text, in kW and EUR/kWh,
:mod:`.certificate` bounds the distance of a clearing from the optimum in long double, :mod:`.exact` finds that optimum in long double,
:mod:`.another` by PIQP, and :mod:`.settlement` reckons the operator's account and Kirchhoff's laws.
"""

from .another import solved_by_piqp
from .certificate import Distance, distance
from .exact import exact
from .program import Program, point_of, program_of
from .settlement import Account, account, kirchhoff_fault

__all__ = ["Account", "Distance", "Program", "account", "distance", "exact", "kirchhoff_fault", "point_of", "program_of", "solved_by_piqp"]
