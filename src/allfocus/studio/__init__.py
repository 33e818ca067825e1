"""The page: look at a stack and its result at full size, and put right what is wrong. Holds no rule of the product."""
