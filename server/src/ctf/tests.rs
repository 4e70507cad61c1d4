use cme_spec::codes::DeletionRegulations;

use super::*;

const HEADER: &str = "<Header><DocumentName>Common Transfer File</DocumentName><CTFversion>25.0</CTFversion>\
                      <DateTime>2026-11-20T08:30:00</DateTime><SourceSchool><LEA>373</LEA><Estab>0000</Estab>\
                      <SchoolName>Testcase School</SchoolName></SourceSchool><DestSchool><LEA>330</LEA>\
                      <Estab>LLLL</Estab></DestSchool></Header>";

fn file(pupils: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CTfile>{HEADER}<CTFpupilData>{pupils}</CTFpupilData></CTfile>\n"
    )
}

fn read(text: &[u8]) -> Result<Vec<Pupil>, CtfError> {
    let mut file = CommonTransferFile::open(text)?;
    let mut pupils = Vec::new();
    while let Some(pupil) = file.next_pupil()? {
        pupils.push(pupil);
    }
    Ok(pupils)
}

#[test]
fn reads_what_a_file_says_of_itself_and_of_each_pupil() {
    let text = file(
        "<Pupil><UPN>K373000020001</UPN><UniqueLearnerNumber/><Surname>O&apos;Test &amp; Case</Surname>\
         <Forename><![CDATA[Zo\u{eb}]]></Forename><DOB>2014-03-02</DOB><Sex>F</Sex>\
         <BasicDetails><FormerUPN>A1</FormerUPN><PreferredForename>Zo</PreferredForename>\
         <MiddleNames>Ann\nMary</MiddleNames></BasicDetails>\
         <Address><BS7666Address><Street>Nowhere</Street><PostCode>ZE9 9ZZ</PostCode></BS7666Address></Address>\
         <Contacts><Contact><Surname>Another</Surname><Address><PostCode>ZE9 9ZY</PostCode></Address></Contact>\
         </Contacts></Pupil>\
         <Pupil><Surname>Second</Surname><Gender>M</Gender></Pupil>",
    );
    let mut file = CommonTransferFile::open(text.as_bytes()).unwrap();
    assert_eq!(file.header().source.laestab().unwrap().as_str(), "3730000");
    assert_eq!(file.header().made_on.unwrap().to_string(), "2026-11-20");
    let first = file.next_pupil().unwrap().unwrap();
    assert_eq!(
        (first.number, first.surname.as_str(), first.forename.as_str()),
        (1, "O'Test & Case", "Zo\u{eb}")
    );
    assert_eq!((first.upn.as_str(), first.uln.as_str(), first.sex.as_str()), ("K373000020001", "", "F"));
    assert_eq!(first.postcode, "ZE9 9ZZ", "not that of a contact");
    assert_eq!((first.former_upn.as_str(), first.preferred_forename.as_str()), ("A1", "Zo"));
    assert_eq!(first.middle_names, "Ann\nMary");
    let second = file.next_pupil().unwrap().unwrap();
    assert_eq!((second.number, second.sex.as_str()), (2, "M"));
    assert_eq!(second.upn, "", "nothing of the first pupil is left");
    assert_eq!(file.next_pupil().unwrap(), None);
}

#[test]
fn takes_the_present_version_and_the_one_before() {
    for version in ["25.0", "24.0", "24"] {
        let text = file("<Pupil/>").replace("25.0", version);
        assert_eq!(read(text.as_bytes()).unwrap().len(), 1, "{version}");
    }
    for version in ["23.0", "26.0", "2", "", "250.0"] {
        assert_eq!(read(file("").replace("25.0", version).as_bytes()), Err(CtfError::Version), "{version}");
    }
}

#[test]
fn refuses_what_is_no_common_transfer_file() {
    for text in
        ["", "<a/>", "<CTfile/>", "<Header/>", "<CTfile><CTFpupilData><Pupil/></CTFpupilData></CTfile>"]
    {
        assert_eq!(read(text.as_bytes()), Err(CtfError::NotCtf), "{text}");
    }
    for text in ["not XML at all <", "<CTfile><Header></CTfile>", &file("")[..300]] {
        assert_eq!(read(text.as_bytes()), Err(CtfError::NotXml), "{text}");
    }
}

#[test]
fn expands_no_entity_that_a_file_declares() {
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;&lol;\">]>\
                  <CTfile>&lol2;</CTfile>";
    assert_eq!(read(laughs.as_bytes()), Err(CtfError::DocumentType));
    let elsewhere = "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><CTfile/>";
    assert_eq!(read(elsewhere.as_bytes()), Err(CtfError::DocumentType));
    let undeclared = file("<Pupil><Surname>&lol;</Surname></Pupil>");
    assert_eq!(read(undeclared.as_bytes()), Err(CtfError::Entity));
    let no_character = file("<Pupil><Surname>&#x110000;</Surname></Pupil>");
    assert_eq!(read(no_character.as_bytes()), Err(CtfError::Entity));
}

#[test]
fn bounds_depth_parts_and_lists() {
    let deep = file(&format!("<Pupil>{}", "<a>".repeat(100_000)));
    assert_eq!(read(deep.as_bytes()), Err(CtfError::TooDeep));
    let long = "x".repeat(10_000_000);
    for pupil in [
        format!("<Pupil a=\"{long}\"/>"),
        format!("<Pupil><Surname>{long}</Surname></Pupil>"),
        format!("<Pupil><!--{long}--></Pupil>"),
        format!("<Pupil><Surname><![CDATA[{long}]]></Surname></Pupil>"),
        format!("<{long}/>"),
        format!("<Pupil><Surname>{}</Surname></Pupil>", "&amp;".repeat(100_000)),
    ] {
        assert_eq!(read(file(&pupil).as_bytes()), Err(CtfError::PartTooLong), "{}", &pupil[..30]);
    }
    let schools = "<School/>".repeat(SCHOOLS_MAX + 1);
    let many = file(&format!("<Pupil><SchoolHistory>{schools}</SchoolHistory></Pupil>"));
    assert_eq!(read(many.as_bytes()), Err(CtfError::TooManySchools));
}

#[test]
fn refuses_another_encoding_whether_it_is_said_or_shown() {
    let said = file("").replace("UTF-8", "ISO-8859-1");
    assert_eq!(read(said.as_bytes()), Err(CtfError::Encoding));
    let mut shown = file("<Pupil><Surname>Zo?</Surname></Pupil>").into_bytes();
    let place = shown.iter().rposition(|byte| *byte == b'?').unwrap();
    shown[place] = 0xeb;
    assert_eq!(read(&shown), Err(CtfError::Encoding));
    let utf16: Vec<u8> = file("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read(&utf16).is_err());
    let marked = format!("\u{feff}{}", file("<Pupil/>"));
    assert_eq!(read(marked.as_bytes()).unwrap().len(), 1, "a mark of UTF-8 does no harm");
}

#[test]
fn no_error_and_no_debug_says_anything_of_a_pupil() {
    let pupil = Pupil { surname: "Testcase".to_owned(), schools: vec![Stay::default()], ..Pupil::default() };
    assert_eq!(format!("{pupil:?} {:?}", pupil.schools), "Pupil(0) [Stay(..)]");
    let broken = file("<Pupil><Testcase></Surname></Pupil>");
    let said = read(broken.as_bytes()).unwrap_err();
    assert!(!format!("{said} {said:?}").contains("Testcase"));
}

fn school(authority: &str, estab: &str, rest: &str) -> String {
    format!("<School><LEA>{authority}</LEA><Estab>{estab}</Estab>{rest}</School>")
}

fn history(schools: &[String]) -> String {
    format!("<Pupil><Surname>Testcase</Surname><SchoolHistory>{}</SchoolHistory></Pupil>", schools.concat())
}

#[test]
fn leavers_have_the_day_the_ground_of_its_regulations_and_the_destination() {
    let left = |day: &str, ground: &str| {
        school(
            "373",
            "0000",
            &format!("<LeavingDate>{day}</LeavingDate><RemovalGrounds>{ground}</RemovalGrounds>"),
        )
    };
    let next = school("330", "0000", "<EntryDate>2026-11-03</EntryDate>");
    let unknown = school("XXX", "XXXX", "<EntryDate>2026-11-03</EntryDate>");
    let earlier =
        school("201", "0000", "<EntryDate>2020-09-01</EntryDate><LeavingDate>2022-07-20</LeavingDate>");
    let text = file(
        &[
            history(&[earlier.clone(), left("2026-10-30", "G"), next]),
            history(&[left("2026-10-30", "H"), unknown]),
            history(&[left("2024-07-19", "b")]),
            history(&[left("2026-10-30", "Z"), left("2023-01-01", "a")]),
            history(&[earlier]),
        ]
        .concat(),
    );
    let leavers = leavers(text.as_bytes()).unwrap();
    let told: Vec<_> = leavers
        .iter()
        .map(|leaver| {
            let ground = leaver.ground.map(|ground| (ground.regulations(), ground.letter()));
            (leaver.left_on.unwrap().to_string(), ground, leaver.destination.clone())
        })
        .collect();
    let school = Destination::School("3300000".parse().unwrap());
    let of = |day: &str, ground, destination| (day.to_owned(), ground, destination);
    assert_eq!(
        told,
        [
            of("2026-10-30", Some((DeletionRegulations::Of2024, 'g')), school),
            of("2026-10-30", Some((DeletionRegulations::Of2024, 'h')), Destination::Unknown),
            of("2024-07-19", Some((DeletionRegulations::Of2006, 'b')), Destination::NotSaid),
            of("2026-10-30", None, Destination::NotSaid),
        ]
    );
    assert_eq!(leavers[0].school.as_ref().unwrap().as_str(), "3730000");
    assert_eq!(format!("{:?}", leavers[0]), "Leaver(1)");
}
