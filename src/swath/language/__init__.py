"""Words about maps: facts counted from them, sentences made from the facts, and any text judged by them."""
