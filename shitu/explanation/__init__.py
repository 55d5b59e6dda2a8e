"""Why an answer is what it is: in a sentence, and in a picture."""
