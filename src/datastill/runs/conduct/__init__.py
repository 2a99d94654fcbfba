"""How a run is carried out, whatever kind it is: what is kept, who watches, what may stop it."""
