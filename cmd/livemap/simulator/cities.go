package simulator

import "strings"

// city is where trunk roads meet and where vehicles have their home.
type city struct {
	name     string
	lat, lon float64
	people   float64 // inhabitants in thousands: the city's size and its share of the fleet
}

func (c city) point() point { return point{c.lon, c.lat} }

// depot is the topic of the city's depot, in plain letters: depot:muenchen.
func (c city) depot() string { return "depot:" + strings.ToLower(plainLetters.Replace(c.name)) }

var plainLetters = strings.NewReplacer(
	" ", "-", "ä", "ae", "â", "a", "ö", "oe", "ü", "ue", "ő", "o", "á", "a", "ç", "c",
	"é", "e", "è", "e", "ê", "e", "í", "i", "ě", "e", "ř", "r", "š", "s", "ň", "n", "ú", "u", "Ú", "u",
	"ł", "l", "Ł", "l", "ó", "o", "ń", "n", "ą", "a", "ę", "e", "ź", "z", "Č", "c", "Ž", "z", "É", "e")

// cities lie away from coasts and large lakes, or are moved a little inland. Straight lines
// between neighbours therefore stay on land.
var cities = []city{
	// Germany
	{"Berlin", 52.520, 13.405, 3700}, {"Hamburg", 53.551, 9.994, 1850}, {"München", 48.137, 11.575, 1490},
	{"Köln", 50.938, 6.960, 1080}, {"Frankfurt", 50.111, 8.682, 760}, {"Stuttgart", 48.776, 9.183, 630},
	{"Dortmund", 51.514, 7.465, 590}, {"Düsseldorf", 51.228, 6.774, 620}, {"Leipzig", 51.340, 12.375, 600},
	{"Dresden", 51.050, 13.738, 560}, {"Hannover", 52.375, 9.732, 540}, {"Nürnberg", 49.452, 11.077, 520},
	{"Bremen", 53.079, 8.801, 570}, {"Bielefeld", 52.030, 8.532, 335}, {"Münster", 51.961, 7.628, 315},
	{"Karlsruhe", 49.007, 8.404, 310}, {"Mannheim", 49.487, 8.466, 310}, {"Augsburg", 48.371, 10.898, 300},
	{"Braunschweig", 52.269, 10.527, 250}, {"Chemnitz", 50.828, 12.921, 245},
	{"Magdeburg", 52.121, 11.628, 240}, {"Freiburg", 47.999, 7.842, 230}, {"Erfurt", 50.978, 11.029, 215},
	{"Lübeck", 53.866, 10.687, 216}, {"Rostock", 54.085, 12.110, 210}, {"Kassel", 51.313, 9.480, 200},
	{"Saarbrücken", 49.240, 6.997, 180}, {"Oldenburg", 53.144, 8.214, 170},
	{"Osnabrück", 52.279, 8.047, 165}, {"Regensburg", 49.013, 12.102, 153},
	{"Ingolstadt", 48.766, 11.426, 137}, {"Würzburg", 49.791, 9.953, 128}, {"Ulm", 48.401, 9.988, 126},
	{"Göttingen", 51.541, 9.916, 117}, {"Koblenz", 50.357, 7.589, 114}, {"Trier", 49.757, 6.641, 110},
	{"Siegen", 50.874, 8.024, 102}, {"Cottbus", 51.757, 14.329, 98}, {"Schwerin", 53.630, 11.380, 96},
	{"Fulda", 50.555, 9.680, 69}, {"Kempten", 47.726, 10.314, 69}, {"Neubrandenburg", 53.557, 13.261, 64},
	{"Frankfurt an der Oder", 52.342, 14.552, 57}, {"Passau", 48.574, 13.460, 52},
	{"Singen", 47.760, 8.840, 48}, {"Hof", 50.313, 11.913, 45}, {"Prenzlau", 53.316, 13.863, 19},
	{"Wittenberge", 52.997, 11.749, 17},
	// Netherlands, Belgium, Luxembourg
	{"Rotterdam", 51.922, 4.479, 650}, {"Utrecht", 52.091, 5.122, 360}, {"Eindhoven", 51.441, 5.470, 240},
	{"Groningen", 53.219, 6.567, 234}, {"Breda", 51.589, 4.776, 184}, {"Arnhem", 51.985, 5.899, 163},
	{"Enschede", 52.221, 6.894, 160}, {"Amersfoort", 52.156, 5.388, 158}, {"Zwolle", 52.512, 6.094, 130},
	{"Bruxelles", 50.847, 4.352, 1200}, {"Antwerpen", 51.219, 4.402, 530}, {"Gent", 51.054, 3.725, 265},
	{"Liège", 50.633, 5.568, 195}, {"Namur", 50.467, 4.867, 113}, {"Luxembourg", 49.612, 6.130, 133},
	// France
	{"Paris", 48.857, 2.352, 2150}, {"Lyon", 45.764, 4.836, 520}, {"Toulouse", 43.605, 1.444, 490},
	{"Strasbourg", 48.573, 7.752, 285}, {"Bordeaux", 44.838, -0.579, 260}, {"Lille", 50.629, 3.057, 233},
	{"Reims", 49.258, 4.032, 182}, {"Saint-Étienne", 45.440, 4.387, 172}, {"Dijon", 47.322, 5.041, 158},
	{"Grenoble", 45.188, 5.725, 158}, {"Angers", 47.478, -0.563, 155},
	{"Clermont-Ferrand", 45.778, 3.087, 147}, {"Le Mans", 48.006, 0.200, 145},
	{"Tours", 47.394, 0.685, 137}, {"Amiens", 49.894, 2.296, 133}, {"Limoges", 45.834, 1.262, 131},
	{"Metz", 49.119, 6.176, 118}, {"Besançon", 47.238, 6.024, 117}, {"Orléans", 47.903, 1.909, 116},
	{"Rouen", 49.443, 1.100, 112}, {"Mulhouse", 47.750, 7.336, 108}, {"Caen", 49.183, -0.371, 105},
	{"Nancy", 48.692, 6.184, 105}, {"Avignon", 43.949, 4.806, 91}, {"Poitiers", 46.580, 0.340, 89},
	{"Bourges", 47.081, 2.399, 65}, {"Valence", 44.933, 4.892, 64}, {"Troyes", 48.297, 4.074, 61},
	{"Niort", 46.324, -0.459, 59}, {"Chambéry", 45.564, 5.918, 59}, {"Saint-Quentin", 49.848, 3.287, 53},
	{"Laval", 48.073, -0.770, 49}, {"Charleville", 49.762, 4.720, 46}, {"Brive", 45.159, 1.533, 46},
	{"Angoulême", 45.650, 0.156, 42}, {"Auxerre", 47.798, 3.567, 35}, {"Mâcon", 46.306, 4.829, 34},
	{"Montluçon", 46.340, 2.603, 34}, {"Agen", 44.203, 0.616, 33}, {"Rodez", 44.351, 2.574, 24},
	{"Chaumont", 48.111, 5.139, 22}, {"Cahors", 44.448, 1.440, 20}, {"Le Puy", 45.043, 3.885, 19},
	// Switzerland, Austria
	{"Zürich", 47.405, 8.530, 430}, {"Basel", 47.560, 7.588, 178}, {"Bern", 46.948, 7.447, 134},
	{"Sion", 46.233, 7.360, 35}, {"Wien", 48.208, 16.373, 1900}, {"Graz", 47.071, 15.438, 290},
	{"Linz", 48.306, 14.286, 206}, {"Salzburg", 47.800, 13.045, 155}, {"Innsbruck", 47.269, 11.404, 131},
	{"Villach", 46.611, 13.846, 63}, {"Liezen", 47.567, 14.241, 8},
	// Czechia, Slovakia, Hungary, Slovenia, Croatia
	{"Praha", 50.075, 14.437, 1300}, {"Brno", 49.195, 16.608, 380}, {"Ostrava", 49.835, 18.282, 285},
	{"Plzeň", 49.747, 13.378, 175}, {"Liberec", 50.767, 15.056, 104}, {"Olomouc", 49.594, 17.251, 100},
	{"České Budějovice", 48.975, 14.474, 94}, {"Hradec Králové", 50.209, 15.833, 93},
	{"Ústí nad Labem", 50.661, 14.053, 92}, {"Jihlava", 49.396, 15.591, 51},
	{"Karlovy Vary", 50.231, 12.872, 49}, {"Bratislava", 48.148, 17.107, 430},
	{"Žilina", 49.223, 18.740, 81}, {"Budapest", 47.498, 19.040, 1750}, {"Győr", 47.687, 17.635, 132},
	{"Szombathely", 47.231, 16.622, 78}, {"Ljubljana", 46.051, 14.506, 285},
	{"Maribor", 46.555, 15.646, 96}, {"Zagreb", 45.815, 15.982, 790},
	// Italy
	{"Milano", 45.464, 9.190, 1370}, {"Torino", 45.070, 7.687, 870}, {"Bologna", 44.494, 11.343, 390},
	{"Verona", 45.438, 10.992, 258}, {"Padova", 45.407, 11.873, 210}, {"Brescia", 45.541, 10.212, 196},
	{"Parma", 44.801, 10.328, 195}, {"Trento", 46.067, 11.121, 118}, {"Bolzano", 46.498, 11.354, 107},
	{"Novara", 45.446, 8.622, 104}, {"Piacenza", 45.052, 9.693, 104}, {"Udine", 46.064, 13.236, 99},
	{"Alessandria", 44.913, 8.615, 93}, {"Mantova", 45.156, 10.792, 49},
	// Poland
	{"Warszawa", 52.230, 21.012, 1860}, {"Kraków", 50.065, 19.945, 780}, {"Łódź", 51.759, 19.456, 670},
	{"Wrocław", 51.108, 17.039, 640}, {"Poznań", 52.406, 16.925, 540}, {"Szczecin", 53.428, 14.530, 395},
	{"Bydgoszcz", 53.124, 18.008, 340}, {"Katowice", 50.265, 19.024, 285},
	{"Częstochowa", 50.811, 19.120, 215}, {"Radom", 51.403, 21.147, 205}, {"Kielce", 50.866, 20.629, 190},
	{"Olsztyn", 53.778, 20.480, 170}, {"Zielona Góra", 51.936, 15.506, 139}, {"Opole", 50.675, 17.921, 127},
	{"Gorzów", 52.737, 15.229, 122}, {"Elbląg", 54.156, 19.405, 117}, {"Płock", 52.547, 19.700, 116},
	{"Koszalin", 54.190, 16.182, 106}, {"Kalisz", 51.762, 18.091, 98}, {"Legnica", 51.207, 16.155, 97},
	{"Grudziądz", 53.484, 18.754, 93}, {"Piła", 53.151, 16.738, 72}, {"Chojnice", 53.696, 17.557, 39},
}

// noRoad lists neighbours that Lake Garda separates.
var noRoad = [][2]string{{"Brescia", "Verona"}, {"Brescia", "Trento"}}
