"""The report as one HTML file: facts from run folders, figures and tables of them, and the page that holds these."""
