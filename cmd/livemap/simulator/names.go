package simulator

// Drivers have invented names: any resemblance is chance.
var (
	firstNames = []string{
		"Ada", "Adam", "Agnes", "Alina", "Anton", "Bela", "Carla", "Clara", "Dario", "Edith", "Elias",
		"Emil", "Eva", "Felix", "Franka", "Georg", "Greta", "Hanna", "Hugo", "Ida", "Ines", "Ivo", "Jana",
		"Jan", "Josef", "Julie", "Karel", "Lea", "Leon", "Lidia", "Luca", "Luise", "Marek", "Maria",
		"Marta", "Milan", "Mina", "Nadia", "Nils", "Nora", "Olga", "Oskar", "Paul", "Pavel", "Petra",
		"Rita", "Robin", "Rosa", "Samuel", "Sara", "Selma", "Simon", "Tessa", "Tomas", "Vera", "Viktor",
		"Wanda", "Yann", "Yusuf", "Zita",
	}
	lastNames = []string{
		"Abend", "Adler", "Baran", "Becker", "Bernard", "Bianchi", "Blum", "Brandt", "Conti", "Dubois",
		"Duda", "Ernst", "Faure", "Ferrari", "Fischer", "Gallo", "Garnier", "Graf", "Haas", "Holub",
		"Horvat", "Huber", "Janssen", "Kaiser", "Keller", "Kolar", "Kowal", "Kral", "Lambert", "Lang",
		"Lemaire", "Maes", "Mayer", "Mazur", "Meunier", "Moser", "Nagy", "Neumann", "Novak", "Nowak",
		"Peeters", "Perrin", "Pichler", "Pokorny", "Ricci", "Riedl", "Romano", "Roth", "Sauter", "Schulz",
		"Sikora", "Smit", "Toth", "Urban", "Vidal", "Vogel", "Wagner", "Weber", "Winter", "Wolf",
		"Zielinski",
	}
)
